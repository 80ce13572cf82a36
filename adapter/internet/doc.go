// Package internet says which addresses lead into the public internet, as far as their text
// shows.
package internet
