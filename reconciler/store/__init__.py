"""What is remembered: tables, queries and migrations; the only package that knows an SQL dialect."""
