"""The bundled world: drawn creatures, so that the whole line runs with no network and no data set."""
