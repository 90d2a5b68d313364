package main

import (
	"context"
	"net/http"
	"time"

	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
)

// requestMost is how long a request may take that Postgres does not answer.
const requestMost = 50 * time.Second

// shop is what the handlers share.
type shop struct {
	store    Store
	accounts *Accounts
}

func (s shop) routes() http.Handler {
	router := chi.NewRouter()
	router.Use(middleware.Recoverer, middleware.StripSlashes, inTime)
	router.NotFound(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, rejection{status: http.StatusNotFound, text: "there is nothing here"})
	})
	router.MethodNotAllowed(func(w http.ResponseWriter, _ *http.Request) {
		fail(w, rejection{status: http.StatusMethodNotAllowed, text: "there is no such method here"})
	})
	router.Method("GET", "/", says("message", "inventory"))
	router.Method("GET", "/healthz", says("status", "ok"))
	router.Method("POST", "/api/v1/auth/register", handler(s.register))
	router.Method("POST", "/api/v1/auth/login", handler(s.login))
	router.Group(func(router chi.Router) {
		router.Use(s.accounts.authenticate)
		router.Method("GET", "/api/v1/products", handler(s.products))
		router.Method("POST", "/api/v1/products", handler(s.addProduct))
		router.Method("GET", "/api/v1/products/{id}", handler(s.product))
		router.Method("PUT", "/api/v1/products/{id}", handler(s.changeProduct))
		router.Method("DELETE", "/api/v1/products/{id}", handler(s.archiveProduct))
		router.Method("GET", "/api/v1/inventory", handler(s.stock))
		router.Method("POST", "/api/v1/inventory/add", handler(s.addStock))
		router.Method("POST", "/api/v1/inventory/remove", handler(s.removeStock))
		router.Method("GET", "/api/v1/orders", handler(s.orders))
		router.Method("POST", "/api/v1/orders", handler(s.placeOrder))
		router.Method("GET", "/api/v1/orders/{id}", handler(s.order))
	})
	return router
}

func inTime(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), requestMost)
		defer cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	})
}

func says(name, value string) handler {
	return func(*http.Request) (int, any, error) { return http.StatusOK, map[string]string{name: value}, nil }
}

// ok and created answer what a statement gave.
func ok[T any](value T, err error) (int, any, error)      { return http.StatusOK, value, err }
func created[T any](value T, err error) (int, any, error) { return http.StatusCreated, value, err }

func (s shop) register(r *http.Request) (int, any, error) {
	var new registration
	if err := readJSON(r, &new); err != nil {
		return 0, nil, err
	}
	return created(s.accounts.register(r.Context(), &new))
}

func (s shop) login(r *http.Request) (int, any, error) {
	body, err := readBody(r)
	if err != nil {
		return 0, nil, err
	}
	login, err := parseCredentials(body)
	if err != nil {
		return 0, nil, err
	}
	return ok(s.accounts.login(r.Context(), login))
}

func (s shop) products(r *http.Request) (int, any, error) {
	page, err := parsePage(r.URL.RawQuery)
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.products(r.Context(), page))
}

func (s shop) addProduct(r *http.Request) (int, any, error) {
	var new newProduct
	if err := readJSON(r, &new); err != nil {
		return 0, nil, err
	}
	return created(s.store.addProduct(r.Context(), userOf(r), &new))
}

func (s shop) product(r *http.Request) (int, any, error) {
	id, err := parseID(chi.URLParam(r, "id"))
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.product(r.Context(), id))
}

func (s shop) changeProduct(r *http.Request) (int, any, error) {
	id, err := parseID(chi.URLParam(r, "id"))
	if err != nil {
		return 0, nil, err
	}
	var change change
	if err := readJSON(r, &change); err != nil {
		return 0, nil, err
	}
	return ok(s.store.changeProduct(r.Context(), id, &change))
}

func (s shop) archiveProduct(r *http.Request) (int, any, error) {
	id, err := parseID(chi.URLParam(r, "id"))
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.archiveProduct(r.Context(), id))
}

func (s shop) stock(r *http.Request) (int, any, error) {
	page, err := parsePage(r.URL.RawQuery)
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.stock(r.Context(), page))
}

func (s shop) addStock(r *http.Request) (int, any, error) {
	var by quantity
	if err := readJSON(r, &by); err != nil {
		return 0, nil, err
	}
	return ok(s.store.addStock(r.Context(), by.ProductID, by.Quantity))
}

func (s shop) removeStock(r *http.Request) (int, any, error) {
	var by quantity
	if err := readJSON(r, &by); err != nil {
		return 0, nil, err
	}
	return ok(s.store.removeStock(r.Context(), by.ProductID, by.Quantity))
}

func (s shop) orders(r *http.Request) (int, any, error) {
	page, err := parsePage(r.URL.RawQuery)
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.orders(r.Context(), userOf(r), page))
}

func (s shop) placeOrder(r *http.Request) (int, any, error) {
	var new newOrder
	if err := readJSON(r, &new); err != nil {
		return 0, nil, err
	}
	products, quantities := new.wanted()
	return created(s.store.placeOrder(r.Context(), userOf(r), products, quantities))
}

func (s shop) order(r *http.Request) (int, any, error) {
	id, err := parseID(chi.URLParam(r, "id"))
	if err != nil {
		return 0, nil, err
	}
	return ok(s.store.order(r.Context(), userOf(r), id))
}
