"""A model file as something that runs elsewhere: what is in a bundle, and what runs there."""
