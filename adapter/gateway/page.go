package gateway

import (
	"net/http"
)

// transportYear has a browser come by https alone for a year, once it came by it.
// Source: RFC 6797.
const transportYear = "max-age=31536000"

// pageHeaders keep a page to itself: policy says what it may load, and nobody may frame it,
// learn its address, or use a device of the reader through it.
func pageHeaders(header http.Header, policy string) {
	header.Set("Content-Security-Policy", policy)
	header.Set("Cross-Origin-Opener-Policy", "same-origin")
	header.Set("Cross-Origin-Resource-Policy", "same-origin")
	header.Set("Permissions-Policy", "camera=(), display-capture=(), geolocation=(), microphone=(), payment=(), usb=()")
	header.Set("Referrer-Policy", "no-referrer")
	header.Set("X-Frame-Options", "DENY")
}
