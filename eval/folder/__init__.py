"""Pictures made elsewhere: what lies in a folder, and of which prompt and method each is."""
