from django.urls import include, path

urlpatterns = [path("", include("users.urls"))]

handler404 = "users.views.not_found"
handler500 = "users.views.failed"
