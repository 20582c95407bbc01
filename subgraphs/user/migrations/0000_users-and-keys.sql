CREATE SCHEMA IF NOT EXISTS "users";
--> statement-breakpoint
CREATE TABLE "users"."bank_user" (
	"id" uuid PRIMARY KEY NOT NULL,
	"username" text NOT NULL,
	"username_key" text NOT NULL,
	"phone_number" text NOT NULL,
	"password_hash" text NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE TABLE "users"."signing_key" (
	"kid" text PRIMARY KEY NOT NULL,
	"private_jwk" jsonb NOT NULL,
	"public_jwk" jsonb NOT NULL,
	"created_at" timestamp (3) with time zone NOT NULL,
	"signs_from" timestamp (3) with time zone NOT NULL,
	"published_until" timestamp (3) with time zone
);
--> statement-breakpoint
CREATE UNIQUE INDEX "bank_user_username" ON "users"."bank_user" USING btree ("username_key");--> statement-breakpoint
CREATE UNIQUE INDEX "bank_user_phone_number" ON "users"."bank_user" USING btree ("phone_number");--> statement-breakpoint
CREATE INDEX "signing_key_by_age" ON "users"."signing_key" USING btree ("signs_from");