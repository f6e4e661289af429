"""The console in a real browser, on a real stack: web, worker, dispatcher, Postgres, Valkey."""
