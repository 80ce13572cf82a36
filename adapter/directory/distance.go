package directory

import (
	"math"
	"strconv"
)

// Point is a place on the globe in degrees (WGS 84).
type Point struct {
	Latitude  float64 `json:"latitude"`
	Longitude float64 `json:"longitude"`
}

// earth is the mean radius in metres. Source: IUGG, R1.
const earth = 6_371_008.8

// Metres is the distance between two points by the haversine formula, which is within
// half a per cent of that on the ellipsoid.
// Source: R. W. Sinnott, "Virtues of the Haversine", Sky and Telescope 68 (1984).
func Metres(a, b Point) float64 {
	const degree = math.Pi / 180
	lat1, lat2 := a.Latitude*degree, b.Latitude*degree
	h := sin2((lat2-lat1)/2) + math.Cos(lat1)*math.Cos(lat2)*sin2((b.Longitude-a.Longitude)*degree/2)
	return 2 * earth * math.Asin(math.Sqrt(min(h, 1)))
}

func sin2(x float64) float64 { s := math.Sin(x); return s * s }

// ParsePoint reads decimal degrees; false for what lies on no globe, and for 0, 0, which
// is what software writes that knows no place.
func ParsePoint(latitude, longitude string) (Point, bool) {
	lat, err1 := strconv.ParseFloat(latitude, 64)
	long, err2 := strconv.ParseFloat(longitude, 64)
	ok := err1 == nil && err2 == nil && math.Abs(lat) <= 90 && math.Abs(long) <= 180 && (lat != 0 || long != 0)
	if !ok {
		return Point{}, false
	}
	return Point{lat, long}, true
}

// Point gives where a location is; false when its feed does not say.
func (l *Location) Point() (Point, bool) { return ParsePoint(l.Latitude, l.Longitude) }
