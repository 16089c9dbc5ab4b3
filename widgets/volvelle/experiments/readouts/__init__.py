"""What is made of states where they are, here or on a server."""
