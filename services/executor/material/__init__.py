"""What handlers work with: texts, numbers, pictures, sounds, programs, and the one error they raise. None is a tool."""
