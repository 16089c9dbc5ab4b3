"""What views share; it knows no subject."""
