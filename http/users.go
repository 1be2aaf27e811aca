package http

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/uuid"

	"boxoffice"
)

type newUserJSON struct {
	Name string `json:"name" minLength:"1" maxLength:"100" pattern:"^[^\\x00-\\x1f\\x7f-\\x9f]*$" patternDescription:"one line of text" example:"Mina Park"`
}

type registrationJSON struct {
	UserID               uuid.UUID `json:"userId" format:"uuid"`
	Name                 string    `json:"name"`
	AccessToken          string    `json:"accessToken" doc:"send it as Authorization: Bearer <token>"`
	AccessTokenExpiresAt timestamp `json:"accessTokenExpiresAt"`
}

type userJSON struct {
	UserID    uuid.UUID `json:"userId" format:"uuid"`
	Name      string    `json:"name"`
	CreatedAt timestamp `json:"createdAt"`
}

func (a *api) addUsers() {
	handle(a, operation{
		method: http.MethodPost, pattern: "/api/v1/users", access: public,
		id: "registerUser", tag: tagUsers, summary: "Register",
		status: http.StatusCreated, headers: []string{"Location"},
		request: map[string]any{"name": "Mina Park"},
		example: map[string]any{"userId": exampleUser, "name": "Mina Park", "accessToken": "eyJ…", "accessTokenExpiresAt": "2026-11-22T09:00:00.000Z"},
	}, a.registerUser)
	handle(a, operation{
		method: http.MethodGet, pattern: "/api/v1/users/{userId}", access: signedIn,
		id: "getUser", tag: tagUsers, summary: "Read a user",
		example: map[string]any{"userId": exampleUser, "name": "Mina Park", "createdAt": "2026-11-21T09:00:00.000Z"},
	}, a.getUser)
}

func (a *api) registerUser(ctx context.Context, req *request, body newUserJSON) (registrationJSON, error) {
	if refusal := boxoffice.ValidateUserName(body.Name); refusal != nil {
		return registrationJSON{}, refusal
	}
	id, err := uuid.NewV7()
	if err != nil {
		return registrationJSON{}, fmt.Errorf("make a user's id: %w", err)
	}
	token, expiresAt, err := a.Keys.SignAccess(Caller{UserID: id}, req.now, a.AccessTokenTTL)
	if err != nil {
		return registrationJSON{}, err
	}
	if err := a.Users.CreateUser(ctx, boxoffice.User{ID: id, Name: body.Name, CreatedAt: req.now}); err != nil {
		return registrationJSON{}, err
	}
	a.knownUsers.add(id, struct{}{})
	req.header.Set("Location", "/api/v1/users/"+id.String())
	return registrationJSON{UserID: id, Name: body.Name, AccessToken: token, AccessTokenExpiresAt: timestamp(expiresAt)}, nil
}

func (a *api) getUser(ctx context.Context, req *request, _ none) (userJSON, error) {
	user, err := a.Users.User(ctx, req.userID)
	if err != nil {
		return userJSON{}, err
	}
	return userJSON{UserID: user.ID, Name: user.Name, CreatedAt: timestamp(user.CreatedAt)}, nil
}
