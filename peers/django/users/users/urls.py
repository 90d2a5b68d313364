from django.urls import path

from . import views

urlpatterns = [
    path("healthz", views.healthz),
    path("users", views.page),
    # No converter for UUIDs: what is none would be a 404, and must be a 400.
    path("users/<str:user_id>", views.by_id),
]
