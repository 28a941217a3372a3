"""Pictures of the sample titles, drawn from their facts: covers, thumbnails, banners and character portraits.

The same title gets the same picture on every machine with the same versions of Pillow and the fonts. Nothing is
downloaded, and nothing looks like the real cover: the drawings stand for it in the demo, the tests and `avs eval`.
"""
