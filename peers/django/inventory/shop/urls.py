"""Every path is there with and without a slash at its end; a redirect would be a second request."""

from django.urls import path, re_path

from . import api, orders, views

urlpatterns = [
    re_path(r"^api/v1/orders/?$", orders.Orders.as_view()),
    re_path(r"^api/v1/orders/([^/]+)/?$", orders.OneOrder.as_view()),
    re_path(r"^api/v1/products/?$", views.Products.as_view()),
    re_path(r"^api/v1/products/([^/]+)/?$", views.OneProduct.as_view()),
    re_path(r"^api/v1/inventory/?$", views.Inventory.as_view()),
    re_path(r"^api/v1/inventory/add/?$", views.ChangeStock.as_view(sign=1)),
    re_path(r"^api/v1/inventory/remove/?$", views.ChangeStock.as_view(sign=-1)),
    re_path(r"^api/v1/auth/login/?$", views.Login.as_view()),
    re_path(r"^api/v1/auth/register/?$", views.Register.as_view()),
    re_path(r"^healthz/?$", api.Health.as_view()),
    path("", api.Root.as_view()),
]
