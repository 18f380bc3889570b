"""What happens in the kernel of the interactive notebook: the magic, the form, live displays."""
