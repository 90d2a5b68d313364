"""What is stored."""

from django.db import models
from django.db.models.functions import Lower, Now
from django.utils import timezone


class User(models.Model):
    email = models.TextField()
    full_name = models.TextField()
    password_hash = models.TextField()
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "users"
        # Addresses that differ by case are one account.
        constraints = [models.UniqueConstraint(Lower("email"), name="users_email")]


class ProductQuerySet(models.QuerySet):
    def offered(self):
        """All but those that were deleted, which stay for the orders that have them."""
        return self.filter(archived_at=None)

    def public(self):
        """Dicts of what the API shows, in its order."""
        return self.values("id", "name", "description", "price", "sku", "owner_id")


class Product(models.Model):
    name = models.TextField()
    description = models.TextField(null=True)
    price = models.DecimalField(max_digits=12, decimal_places=2)
    sku = models.TextField()
    owner_id = models.BigIntegerField()
    archived_at = models.DateTimeField(null=True)

    objects = ProductQuerySet.as_manager()

    class Meta:
        db_table = "products"
        constraints = [
            models.CheckConstraint(condition=models.Q(price__gte=0), name="products_price"),
            models.UniqueConstraint(
                fields=["sku"], condition=models.Q(archived_at=None), name="products_sku"
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=models.Q(archived_at=None), name="products_offered")]


class StockQuerySet(models.QuerySet):
    def public(self):
        # A product has one row, whose id is the product's.
        return self.annotate(id=models.F("product_id")).values("id", "product_id", "quantity", "last_updated")

    def take(self, product: int, quantity: int) -> bool:
        """One statement with its condition: False if there is less."""
        enough = self.filter(product_id=product, quantity__gte=quantity)
        return enough.update(quantity=models.F("quantity") - quantity, last_updated=Now()) == 1


class Stock(models.Model):
    product = models.OneToOneField(
        Product, models.DO_NOTHING, primary_key=True, db_constraint=False, related_name="stock"
    )
    quantity = models.BigIntegerField(default=0)
    last_updated = models.DateTimeField(default=timezone.now)

    objects = StockQuerySet.as_manager()

    class Meta:
        db_table = "inventory_items"
        constraints = [models.CheckConstraint(condition=models.Q(quantity__gte=0), name="inventory_quantity")]


class OrderQuerySet(models.QuerySet):
    def public(self):
        return self.values("id", "customer_id", "status", "total_amount", "created_at", "updated_at")


class Order(models.Model):
    """No foreign key leads to the users: all orders of one of them would lock the same row for it."""

    customer_id = models.BigIntegerField()
    status = models.TextField(default="pending")
    # Of many lines, each of which may be large.
    total_amount = models.DecimalField(max_digits=24, decimal_places=2)
    created_at = models.DateTimeField(default=timezone.now)
    updated_at = models.DateTimeField(default=timezone.now)

    objects = OrderQuerySet.as_manager()

    class Meta:
        db_table = "orders"
        indexes = [models.Index(fields=["customer_id", "id"], name="orders_customer")]


class OrderLineQuerySet(models.QuerySet):
    def public(self):
        return self.values("id", "order_id", "product_id", "name", "quantity", "unit_price")


class OrderLine(models.Model):
    """With the name and the price of that time. Nor does a foreign key lead to the products."""

    order_id = models.BigIntegerField()
    product_id = models.BigIntegerField()
    name = models.TextField()
    quantity = models.BigIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)

    objects = OrderLineQuerySet.as_manager()

    class Meta:
        db_table = "order_items"
        constraints = [
            models.CheckConstraint(condition=models.Q(quantity__gt=0), name="order_items_quantity")
        ]
        indexes = [models.Index(fields=["order_id", "product_id"], name="order_items_order")]
