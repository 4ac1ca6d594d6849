"""Everything that looks at or makes a face; speaks arrays, never frames."""
