"""The Jupyter Server extension: thin handlers over the jobs service, events out."""
