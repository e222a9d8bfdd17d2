"""Real parts around the gateway: origins, a parent proxy, certificates, the gateway itself."""
