"""A market to practise in: recorded days and invented flow, with our own orders in the book."""
