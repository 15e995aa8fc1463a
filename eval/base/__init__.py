"""What everything else stands on: errors, exit codes, files, escaping, pictures, signals."""
