package boxoffice

// PageRequest asks for one page of a list.
type PageRequest struct {
	Limit  int    // 1–100
	Cursor string // opaque, from the page before; empty: the first
}

// Page is one page of a list. Next is empty on the last.
type Page[T any] struct {
	Items []T
	Next  string
}
