"""What the guess on raw bytes counts with: kernels and function words."""
