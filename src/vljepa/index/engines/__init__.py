"""Where vectors are kept and searched: one protocol of six methods, one module an engine."""
