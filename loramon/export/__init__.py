"""A log or recording in other forms: tables, pictures, pages, one portable file."""
