"""What is sent, and in the ModelViewSet what is answered."""

from typing import Any

from rest_framework import serializers

from .models import User


class EchoData(serializers.Serializer):
    items = serializers.ListField()
    nested = serializers.DictField()


class Echo(serializers.Serializer):
    message = serializers.CharField(allow_blank=True, trim_whitespace=False)
    timestamp = serializers.JSONField()
    data = EchoData()

    def validate_timestamp(self, value: Any) -> Any:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise serializers.ValidationError("a number or a string is allowed")
        return value


class NewUser(serializers.Serializer):
    name = serializers.CharField(max_length=100, trim_whitespace=False)
    email = serializers.EmailField(max_length=254)


class Count(serializers.Serializer):
    count = serializers.IntegerField(min_value=1, max_value=10_000, default=1000)


class Login(serializers.Serializer):
    # What Postgres takes.
    user_id = serializers.IntegerField(min_value=0, max_value=2**63 - 1)


class UserModel(serializers.ModelSerializer):
    """As the documentation has it: that an address is free is asked for, before it is stored."""

    class Meta:
        model = User
        fields = ["id", "name", "email", "created_at"]
        read_only_fields = ["created_at"]
        extra_kwargs = {"name": {"trim_whitespace": False}}
