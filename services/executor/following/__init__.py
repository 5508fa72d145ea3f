"""Who watches jobs: their steps, and what tools say as it comes."""
