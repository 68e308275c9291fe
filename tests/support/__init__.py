"""What tests of several rooms share: builders, strategies, scripts, a DNS server. No tests here."""
