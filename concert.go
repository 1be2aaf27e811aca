package boxoffice

// Concert is what is played; its schedules say when.
type Concert struct {
	ID          int64
	Title       string
	Artist      string
	Description string
	Price       int64 // the default price of a seat, in points
}

// NewConcert is what an organiser provides to announce a concert.
type NewConcert struct {
	Title       string
	Artist      string
	Description string
	Price       int64
}

// Validate returns the requested concert, without an id, or an invalid-request that lists
// every wrong value.
func (n NewConcert) Validate() (Concert, *Error) {
	var p problems
	p.checkLine("body.title", n.Title, 1, MaxTitle)
	p.checkLine("body.artist", n.Artist, 0, MaxArtist)
	p.checkText("body.description", n.Description, MaxDescription)
	p.checkPrice("body.price", n.Price)
	if refusal := p.refusal(); refusal != nil {
		return Concert{}, refusal
	}
	return Concert{Title: n.Title, Artist: n.Artist, Description: n.Description, Price: n.Price}, nil
}
