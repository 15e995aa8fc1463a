"""The base of the other packages: errors, exit codes, files, escaping, pictures and signals."""
