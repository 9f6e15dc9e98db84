"""Does it work? Rankings against labels of products, and against persons whose preferences are known."""
