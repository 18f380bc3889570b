"""The code that runs inside a job.

Standard library and IPython only; imports nothing from its siblings, because it travels alone into
images that lack this package.
"""
