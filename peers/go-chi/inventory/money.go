package main

import (
	"errors"
	"fmt"
	"math"
	"strconv"
)

// priceMost is the highest price, in cents.
const priceMost = 999_999_999_999

var errNoAmount = errors.New("expected an amount from 0 to 9999999999.99 with at most two decimals")

// Cents is an amount of money. As JSON it is a number with two decimals.
type Cents int64

func (c Cents) MarshalJSON() ([]byte, error) {
	return fmt.Appendf(nil, "%d.%02d", c/100, c%100), nil
}

// UnmarshalJSON takes what a price may be. Up to twelve digits each amount has a double of its own, and a
// quotient of doubles is the one next to the exact quotient: the two are equal only if the text means that
// amount.
func (c *Cents) UnmarshalJSON(text []byte) error {
	number, err := strconv.ParseFloat(string(text), 64)
	if err != nil || number < 0 || number*100 > priceMost+0.5 {
		return errNoAmount
	}
	cents := math.Round(number * 100)
	if cents/100 != number {
		return errNoAmount
	}
	*c = Cents(cents)
	return nil
}
