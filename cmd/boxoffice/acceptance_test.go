package main

import "testing"

// TestAcceptance holds one node to what the contract says of everyday business. Tests
// that need other settings, or that break something, open a house of their own.
func TestAcceptance(t *testing.T) {
	t.Parallel()
	h := openHouse(t)
	for _, test := range []struct {
		name string
		run  func(*testing.T, *house)
	}{
		{"the line of 1500", testLongLine},
		{"admissions per second", testAdmitPerSecond},
		{"300 buyers, one seat", testOneSeat},
		{"50 buyers, 50 seats", testEverySeat},
		{"20 payments, 20 keys", testPaymentsOfOneHold},
		{"20 payments, one key", testPaymentWithOneKey},
		{"requests with one key at once", testOneKeyAtOnce},
		{"sales close", testSalesClose},
		{"sales that are not open", testSalesNotOpen},
		{"purchase", testPurchase},
		{"rebuy", testRebuy},
		{"too few points", testInsufficientPoints},
		{"free seats", testFreeSeats},
		{"prices by seat", testSeatPrices},
		{"one seat per user", testOneSeatPerUser},
		{"release", testRelease},
		{"cancellation closes", testCancellationCloses},
		{"points", testPoints},
		{"history", testHistory},
		{"capacity and pause", testCapacityAndPause},
		{"leaving", testLeaving},
		{"joining again", testJoiningAgain},
		{"the guard", testGuard},
		{"keys", testKeys},
		{"keys of refusals", testKeysOfRefusals},
		{"who may do what", testWhoMayDoWhat},
		{"tokens", testTokens},
		{"order of refusals", testOrderOfRefusals},
		{"bad input", testBadInput},
		{"bad schedules", testBadSchedules},
		{"catalogue", testCatalogue},
		{"catalogue caching", testCatalogueCaching},
		{"lists", testLists},
		{"operations", testOperations},
		{"the stream of a place", testPlaceStream},
		{"the stream of seats", testSeatStream},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			test.run(t, h)
		})
	}
}
