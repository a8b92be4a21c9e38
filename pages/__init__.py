"""What every page needs: forms and their errors, templates, static files."""
