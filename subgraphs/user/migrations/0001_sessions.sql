CREATE TABLE "users"."session" (
	"sid" uuid PRIMARY KEY NOT NULL,
	"user_id" uuid NOT NULL,
	"expires_at" timestamp (3) with time zone NOT NULL
);
--> statement-breakpoint
CREATE INDEX "session_by_user" ON "users"."session" USING btree ("user_id");--> statement-breakpoint
CREATE INDEX "session_by_expiry" ON "users"."session" USING btree ("expires_at");