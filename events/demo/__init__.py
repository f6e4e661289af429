"""What `make demo` adds: endpoints of five characters, and a shop that never closes."""
