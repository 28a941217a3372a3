"""Searches by picture: their requests and plans, the vectors of query pictures, and the pictures collection."""
