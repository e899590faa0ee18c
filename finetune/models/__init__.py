"""Models: pretrained, built in, their heads and files."""
