"""All of users as REST framework's documentation has it: a model, its serializer, and five lines."""

from rest_framework.viewsets import ModelViewSet

from .models import User
from .serializers import UserModel


class Users(ModelViewSet):
    queryset = User.objects.all()
    serializer_class = UserModel
    lookup_value_converter = "int"
