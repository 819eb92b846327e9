"""The graders, one module for each chapter of the book."""
