"""The crash sweep: every order dies once at every boundary it crosses, in real processes, and the books must agree."""
