// Package referral is the domain: what a social prescribing referral is, the life
// cycle it goes through, who may do what, and what goes back to the patient's record.
//
// Data flows one way: a Service decides, converts, and hands the Store one Change
// that is committed as a whole. Nothing is sent from here; what must go out is a
// Delivery inside that Change.
package referral
