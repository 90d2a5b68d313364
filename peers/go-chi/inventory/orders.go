package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/jackc/pgx/v5"
)

// Order is an order with its lines, which are in the order of their products.
type Order struct {
	ID          int64     `json:"id"`
	CustomerID  int64     `json:"customer_id"`
	Status      string    `json:"status"`
	TotalAmount Cents     `json:"total_amount"`
	CreatedAt   time.Time `json:"created_at"`
	UpdatedAt   time.Time `json:"updated_at"`
	Items       []Line    `json:"items"`
}

// Line is so much of a product, called and priced as it was then.
type Line struct {
	ID        int64  `json:"id"` // within the order, from 1 on
	OrderID   int64  `json:"order_id"`
	ProductID int64  `json:"product_id"`
	Name      string `json:"name"`
	Quantity  int64  `json:"quantity"`
	UnitPrice Cents  `json:"unit_price"`
}

func (o *Order) add(line Line) {
	line.ID, line.OrderID = int64(len(o.Items)+1), o.ID
	o.Items = append(o.Items, line)
}

// placeOrder takes all of the stock and writes the order, in one statement, or does nothing and says why.
func (s Store) placeOrder(ctx context.Context, customer int64, products, quantities []int64) (Order, error) {
	order := Order{CustomerID: customer, Items: make([]Line, 0, len(products))}
	rows, err := s.pool.Query(ctx, placeOrder, customer, products, quantities)
	if err != nil {
		return order, refused(err)
	}
	defer rows.Close()
	var missing, short error
	for rows.Next() {
		var line Line
		var present, id, price, total *int64
		var name, status *string
		var at *time.Time
		err := rows.Scan(&line.ProductID, &line.Quantity, &present, &name, &price, &id, &status, &total, &at)
		switch {
		case err != nil:
			return order, err
		case present == nil && missing == nil:
			text := fmt.Sprintf("there is no product %d", line.ProductID)
			missing = rejection{http.StatusNotFound, text, "items"}
		case present != nil && *present < line.Quantity && short == nil:
			text := fmt.Sprintf("product %d has %d in stock", line.ProductID, *present)
			short = rejection{http.StatusBadRequest, text, "items"}
		case id != nil:
			order.ID, order.Status, order.TotalAmount = *id, *status, Cents(*total)
			order.CreatedAt, order.UpdatedAt = at.UTC(), at.UTC()
			line.Name, line.UnitPrice = *name, Cents(*price)
			order.add(line)
		}
	}
	switch {
	case rows.Err() != nil:
		return order, refused(rows.Err())
	case missing != nil:
		return order, missing
	}
	return order, short
}

func (s Store) orders(ctx context.Context, customer int64, p page) ([]Order, error) {
	rows, err := s.pool.Query(ctx, selectOrders, customer, p.after, p.skip, p.limit)
	if err != nil {
		return nil, err
	}
	return grouped(rows)
}

func (s Store) order(ctx context.Context, customer, id int64) (Order, error) {
	rows, err := s.pool.Query(ctx, selectOrder, id)
	if err != nil {
		return Order{}, err
	}
	orders, err := grouped(rows)
	switch {
	case err != nil:
		return Order{}, err
	case len(orders) == 0:
		return Order{}, rejection{status: http.StatusNotFound, text: "no such order"}
	case orders[0].CustomerID != customer:
		return Order{}, rejection{status: http.StatusForbidden, text: "the order is another customer's"}
	}
	return orders[0], nil
}

// grouped makes orders of rows that have a line each, in the order of the orders.
func grouped(rows pgx.Rows) ([]Order, error) {
	defer rows.Close()
	orders := make([]Order, 0, pageMost)
	for rows.Next() {
		var o Order
		var line Line
		err := rows.Scan(&o.ID, &o.CustomerID, &o.Status, &o.TotalAmount, &o.CreatedAt, &o.UpdatedAt,
			&line.ProductID, &line.Name, &line.Quantity, &line.UnitPrice)
		if err != nil {
			return nil, err
		}
		if last := len(orders) - 1; last < 0 || orders[last].ID != o.ID {
			o.CreatedAt, o.UpdatedAt = o.CreatedAt.UTC(), o.UpdatedAt.UTC()
			orders = append(orders, o)
		}
		orders[len(orders)-1].add(line)
	}
	return orders, rows.Err()
}
