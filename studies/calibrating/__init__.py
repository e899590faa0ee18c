"""How strong an attack may be: measured on the clean model before a search."""
