package lab

import "slices"

// Median is the median of what things are worth: the one in the middle or, of an even
// number, half-way between the two. There has to be one at least.
func Median[T any](things []T, worth func(T) float64) float64 {
	values := make([]float64, len(things))
	for i, thing := range things {
		values[i] = worth(thing)
	}
	slices.Sort(values)
	middle := len(values) / 2
	if len(values)%2 == 0 {
		return (values[middle-1] + values[middle]) / 2
	}
	return values[middle]
}
