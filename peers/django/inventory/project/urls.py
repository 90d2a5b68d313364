from django.urls import include, path

urlpatterns = [path("", include("shop.urls"))]

handler400 = "shop.api.malformed"
handler404 = "shop.api.not_found"
handler500 = "shop.api.failed"
