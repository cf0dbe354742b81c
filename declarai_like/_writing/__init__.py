"""How texts and SQLite files are written, so that everybody can read them again."""
