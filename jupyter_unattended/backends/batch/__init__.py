"""What the backends of batch schedulers share: site profile, chains, scripts, asking politely."""
