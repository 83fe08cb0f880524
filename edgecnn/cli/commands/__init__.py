"""The verbs: a module each, which parses, calls one library function and renders."""
